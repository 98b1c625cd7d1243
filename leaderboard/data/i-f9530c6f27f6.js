hb.put("i-f9530c6f27f6",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
