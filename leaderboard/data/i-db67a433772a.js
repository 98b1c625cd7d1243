hb.put("i-db67a433772a",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.000-1-1-0-q0","worse",["bottle goblet dagger"],["bottle goblet"],"bottle goblet dagger",[],[],""],
["test-words-128-0.500-2-1-1-q0","better",["cold thick brave"],["cold thick plum"],"cold thick plum",[],[],""]
]);
