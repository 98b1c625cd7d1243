hb.put("i-56f82136626e",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
