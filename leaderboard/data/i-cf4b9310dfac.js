hb.put("i-cf4b9310dfac",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
