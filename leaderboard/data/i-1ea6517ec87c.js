hb.put("i-1ea6517ec87c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.250-1-1-0-q0","same score",["thimble peach orange"],["thimble peach orange thimble peach"],"thimble peach orange",[],[],""],
["test-words-256-0.250-1-1-0-q0","same score",["cold fence marble"],["cold fence marble hospital is"],"cold fence marble",[],[],""],
["test-words-256-0.000-2-1-1-q0","same score",["vanilla crown melon"],["vanilla crown melon crown melon"],"vanilla crown melon",[],[],""],
["test-words-512-0.750-2-1-1-q0","same score",["silk pillow cage"],["silk pillow cage marsh cage"],"silk pillow cage",[],[],""],
["test-words-256-0.500-1-1-2-q0","same score",["warm dagger clever"],["warm dagger clever through the"],"warm dagger clever",[],[],""]
]);
