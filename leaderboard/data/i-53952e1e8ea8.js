hb.put("i-53952e1e8ea8",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
