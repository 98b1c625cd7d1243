hb.put("i-3bb40915f890",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-2-random-4","worse",["no"],["yes"],"no",[],[],"images/26054447a84a0c00.png"],
["scene-test-14-adversarial-6","worse",["no"],["yes"],"no",[],[],"images/1189b884c12f5544.png"]
]);
