hb.put("i-9f3fba73b218",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
