hb.put("i-33b5d5dda3e6",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["message-test-12","not scored alone",["yes","no","no","no","no","yes","yes","yes"],["yes","no","no","yes","yes","yes","yes","yes"],"no",[],[],""],
["message-test-14","not scored alone",["no","yes","yes","no","yes","no","no","no"],["no","yes","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-17","not scored alone",["no","no","yes","no","no","no","no","no"],["no","no","no","no","no","no","no","no"],"yes",[],[],""],
["message-test-44","not scored alone",["no","yes","yes","no","no","no","no","no"],["no","yes","yes","no","yes","no","no","no"],"yes",[],[],""],
["message-test-50","not scored alone",["yes","yes","no","yes","yes","yes","yes","yes"],["yes","yes","yes","yes","yes","yes","yes","yes"],"no",[],[],""]
]);
