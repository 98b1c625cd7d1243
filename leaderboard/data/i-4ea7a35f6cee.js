hb.put("i-4ea7a35f6cee",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["message-test-0","not scored alone",["yes","no","yes","yes","yes","yes","yes","yes"],["yes","no","yes","yes","no","yes","yes","yes"],"no",[],[],""],
["message-test-12","not scored alone",["yes","no","no","no","no","yes","yes","yes"],["yes","no","no","no","no","no","no","no"],"no",[],[],""],
["message-test-14","not scored alone",["no","yes","yes","no","yes","no","no","no"],["no","yes","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-17","not scored alone",["no","no","yes","no","no","no","no","no"],["no","no","no","no","no","no","no","no"],"yes",[],[],""],
["message-test-35","not scored alone",["no","yes","yes","yes","yes","yes","yes","yes"],["no","yes","yes","no","no","yes","yes","yes"],"yes",[],[],""],
["message-test-39","not scored alone",["no","no","yes","yes","no","no","no","no"],["no","no","yes","no","no","no","no","no"],"yes",[],[],""],
["message-test-44","not scored alone",["no","yes","yes","no","no","no","no","no"],["no","yes","yes","no","yes","no","no","no"],"yes",[],[],""],
["message-test-46","not scored alone",["no","yes","yes","yes","yes","yes","yes","yes"],["no","no","yes","yes","yes","yes","yes","yes"],"yes",[],[],""],
["message-test-50","not scored alone",["yes","yes","no","yes","yes","yes","yes","yes"],["yes","yes","yes","yes","yes","yes","yes","yes"],"no",[],[],""]
]);
