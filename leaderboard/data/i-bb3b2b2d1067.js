hb.put("i-bb3b2b2d1067",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-18-adversarial-6","worse",["no"],["yes"],"no",[],[],"images/ecd1d034f795bb70.png"]
]);
