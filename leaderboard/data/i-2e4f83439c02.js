hb.put("i-2e4f83439c02",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
