hb.put("i-8c19f4605b8e",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
