hb.put("i-294c00b9f0ae",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
