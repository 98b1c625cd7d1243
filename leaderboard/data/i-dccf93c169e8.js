hb.put("i-dccf93c169e8",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-2-random-4","worse",["no"],["yes"],"no",[],[],"images/26054447a84a0c00.png"],
["scene-test-18-adversarial-6","worse",["no"],["yes"],"no",[],[],"images/ecd1d034f795bb70.png"],
["scene-test-20-random-3","worse",["yes"],["no"],"yes",[],[],"images/75befc8203d51bbb.png"],
["scene-test-20-popular-3","worse",["yes"],["no"],"yes",[],[],"images/75befc8203d51bbb.png"],
["scene-test-20-adversarial-3","worse",["yes"],["no"],"yes",[],[],"images/75befc8203d51bbb.png"]
]);
