hb.put("i-a9aef1f0d4cd",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-256-0.250-1-1-1-q0","worse",["humble shovel sharp"],["the blanket wet"],"humble shovel sharp",[],[],""]
]);
