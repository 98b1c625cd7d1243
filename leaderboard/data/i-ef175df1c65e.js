hb.put("i-ef175df1c65e",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["carrot","not scored alone",["treasures"],["vegetables"],"",[],[],""],
["coat","not scored alone",["clothes"],["tools"],"",[],[],""],
["crown","not scored alone",["clothes"],["treasures"],"",[],[],""],
["onion","not scored alone",["treasures"],["vegetables"],"",[],[],""],
["owl","not scored alone",["birds"],["treasures"],"",[],[],""],
["saffron","not scored alone",["fruits"],["vegetables"],"",[],[],""],
["spoon","not scored alone",["treasures"],["tableware"],"",[],[],""]
]);
