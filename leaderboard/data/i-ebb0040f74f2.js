hb.put("i-ebb0040f74f2",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
