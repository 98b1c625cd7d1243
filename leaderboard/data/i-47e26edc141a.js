hb.put("i-47e26edc141a",["document","change","unedited","edited","target","marks","edited_marks","picture"],[
["scene-test-17","same score",["the image shows a street: an apple, a banana, a tree, a bird, a dog, a bone, a clock, a ball, a flower."],["the image shows a bedroom: an apple, a banana, a tree, a bird, a dog, a bone, a clock, a ball, a flower."],"apple, banana, tree, bird, dog, bone, clock, ball, flower",[],[],"images/07cc693fd7d52f11.png"],
["scene-test-73","better",["the image shows a bedroom: a bed, a lamp, a shoe, a hat, a car, a ball."],["the image shows a bedroom: a bed, a shoe, a hat, a car, a ball."],"bed, shoe, hat, car, ball",[["lamp","not in the picture"]],[],""]
]);
