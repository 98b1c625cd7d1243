hb.put("i-1fed534e81f9",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
