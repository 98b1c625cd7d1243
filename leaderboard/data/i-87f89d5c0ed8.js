hb.put("i-87f89d5c0ed8",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.000-2-1-0-q0","worse",["saffron wallet quill"],["saffron sharp quill"],"saffron wallet quill",[],[],""],
["test-words-128-0.750-1-1-0-q0","worse",["cheese orange trumpet"],["cheese young trumpet"],"cheese orange trumpet",[],[],""],
["test-words-128-0.250-1-1-1-q0","worse",["rapid paper plow"],["rapid easel plow"],"rapid paper plow",[],[],""],
["test-words-256-0.250-1-1-1-q0","worse",["humble shovel sharp"],["the kitchen where"],"humble shovel sharp",[],[],""],
["test-words-512-0.250-2-1-1-q0","worse",["gentle stamp bucket"],["gentle 90 bucket"],"gentle stamp bucket",[],[],""],
["test-words-256-0.500-1-1-1-q0","worse",["curious torch green"],["curious nervous coat"],"curious torch green",[],[],""],
["test-words-512-0.750-2-1-1-q0","worse",["silk pillow cage"],["silk 47 cage"],"silk pillow cage",[],[],""],
["test-words-512-1.000-2-1-1-q0","worse",["blue bench raisin"],["39 cheese warm"],"blue bench raisin",[],[],""],
["test-words-512-0.250-1-1-2-q0","worse",["fan hollow clock"],["clean hollow sweet"],"fan hollow clock",[],[],""],
["test-words-256-0.500-2-1-2-q0","worse",["pillow clever fan"],["empty oar cherry"],"pillow clever fan",[],[],""]
]);
