hb.put("i-cef091b5fe5c",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
