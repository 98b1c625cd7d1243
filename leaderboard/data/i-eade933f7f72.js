hb.put("i-eade933f7f72",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
