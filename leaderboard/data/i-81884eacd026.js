hb.put("i-81884eacd026",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
