hb.put("i-44c5c5962e08",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-10-adversarial-6","worse",["no"],["yes"],"no",[],[],"images/85b4237bc78965f9.png"],
["scene-test-14-popular-2","worse",["no"],["yes"],"no",[],[],"images/1189b884c12f5544.png"],
["scene-test-14-adversarial-6","worse",["no"],["yes"],"no",[],[],"images/1189b884c12f5544.png"]
]);
