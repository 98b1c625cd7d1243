hb.put("i-d6bed4fd1025",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.000-1-1-0-q0","worse",["bottle goblet dagger"],["bottle goblet"],"bottle goblet dagger",[],[],""]
]);
