hb.put("i-2a5fa9f8f13c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
