hb.put("i-470daa9c0510",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["message-test-7","not scored alone",["no","no","yes","no","no","no","no","no"],["no","yes","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-14","not scored alone",["no","yes","yes","no","yes","no","no","no"],["no","yes","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-33","not scored alone",["no","yes","no","no","yes","no","no","no"],["no","yes","no","yes","yes","no","no","no"],"yes",[],[],""]
]);
