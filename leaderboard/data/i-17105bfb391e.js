hb.put("i-17105bfb391e",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-256-1.000-2-1-0-q0","worse",["apricot peach nervous"],["paddle paddle paddle"],"apricot peach nervous",[],[],""]
]);
