hb.put("i-cbbb7f52df7d",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["test-words-512-0.250-2-1-0-q0","worse",["rusty ginger flag"],["rusty olive flag"],"rusty ginger flag",[],[],""],
["test-words-128-1.000-1-1-0-q0","worse",["lantern pepper bell"],["lantern pepper silver"],"lantern pepper bell",[],[],""],
["test-words-512-1.000-1-1-0-q0","worse",["sharp cane lantern"],["sharp cane clock"],"sharp cane lantern",[],[],""],
["test-words-512-0.000-2-1-1-q0","worse",["fence torch pepper"],["torch veil polite"],"fence torch pepper",[],[],""],
["test-words-128-0.250-1-1-1-q0","worse",["rapid paper plow"],["rapid box plow"],"rapid paper plow",[],[],""],
["test-words-512-0.750-2-1-1-q0","worse",["silk pillow cage"],["silk chisel feather"],"silk pillow cage",[],[],""],
["test-words-128-0.000-2-1-2-q0","worse",["saffron pebble comb"],["saffron fan comb"],"saffron pebble comb",[],[],""]
]);
