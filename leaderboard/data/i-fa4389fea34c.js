hb.put("i-fa4389fea34c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
