hb.put("i-8686b143121c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-128-0.000-2-1-0-q0","worse",["saffron wallet quill"],["saffron wallet butter"],"saffron wallet quill",[],[],""],
["test-words-128-0.500-1-1-0-q0","worse",["plum box marble"],["plum famous marble"],"plum box marble",[],[],""],
["test-words-512-0.500-2-1-0-q0","worse",["tray amber heavy"],["dish dish sweet"],"tray amber heavy",[],[],""],
["test-words-512-1.000-2-1-0-q0","worse",["statue trumpet mirror"],["statue crooked mirror"],"statue trumpet mirror",[],[],""],
["test-words-512-0.000-2-1-1-q0","worse",["fence torch pepper"],["linen brick brick"],"fence torch pepper",[],[],""],
["test-words-256-1.000-2-1-1-q0","better",["marble apron amber"],["whistle marble curious"],"whistle marble curious",[],[],""],
["test-words-128-0.000-2-1-2-q0","worse",["saffron pebble comb"],["saffron fan vase"],"saffron pebble comb",[],[],""],
["test-words-256-0.500-2-1-2-q0","worse",["pillow clever fan"],["empty oar cherry"],"pillow clever fan",[],[],""],
["test-words-512-0.750-2-1-2-q0","worse",["blue jacket honest"],["blue jacket onion"],"blue jacket honest",[],[],""],
["test-words-512-1.000-2-1-2-q0","worse",["cane polite zipper"],["curious zipper zipper"],"cane polite zipper",[],[],""]
]);
