hb.put("i-0adb4df15233",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-256-0.000-2-1-1-q0","same score",["vanilla crown melon"],["vanilla crown melon crown melon"],"vanilla crown melon",[],[],""]
]);
