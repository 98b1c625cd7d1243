hb.put("i-3c830c5bde65",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
