hb.put("i-3f170aa189f0",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
