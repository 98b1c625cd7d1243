hb.put("i-1bed416e9918",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.500-2-1-1-q0","better",["cold thick brave"],["cold thick plum"],"cold thick plum",[],[],""]
]);
