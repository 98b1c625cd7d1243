hb.put("i-7ae20076f274",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
