hb.put("i-bc9449b1fc3f",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
