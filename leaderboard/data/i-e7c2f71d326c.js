hb.put("i-e7c2f71d326c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-0","same score",["the image shows a beach: a dog, a bone, a boat, an anchor."],["the image shows a beach: a dog, a bone."],"dog, boat",[["bone","not in the picture"],["anchor","not in the picture"]],[["bone","not in the picture"]],"images/873345be21a1037e.png"],
["scene-test-31","same score",["the image shows a street: a bed, a lamp, a car, a house."],["the image shows a street: a bed, a lamp, a car."],"bed, lamp, car, house",[],[],""],
["scene-test-60","same score",["the image shows a street: a tree, a bird, a dog, a bone."],["the image shows a street: a tree, a bird."],"bird, dog",[["tree","not in the picture"],["bone","not in the picture"]],[["tree","not in the picture"]],""]
]);
