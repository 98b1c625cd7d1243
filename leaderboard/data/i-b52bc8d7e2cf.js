hb.put("i-b52bc8d7e2cf",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["message-test-7","not scored alone",["no","no","yes","no","no","no","no","no"],["no","yes","yes","yes","no","no","no","no"],"yes",[],[],""],
["message-test-14","not scored alone",["no","yes","yes","no","yes","no","no","no"],["no","yes","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-33","not scored alone",["no","yes","no","no","yes","no","no","no"],["no","yes","no","yes","yes","no","no","no"],"yes",[],[],""],
["message-test-38","not scored alone",["yes","yes","yes","no","yes","yes","yes","yes"],["yes","yes","yes","no","no","yes","yes","yes"],"yes",[],[],""],
["message-test-46","not scored alone",["no","yes","yes","yes","yes","yes","yes","yes"],["no","yes","yes","yes","no","yes","yes","yes"],"yes",[],[],""],
["message-test-50","not scored alone",["yes","yes","no","yes","yes","yes","yes","yes"],["yes","yes","yes","yes","yes","yes","yes","yes"],"no",[],[],""]
]);
