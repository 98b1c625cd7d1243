hb.put("i-2b68abf8f057",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
