hb.put("i-af2df944b3cd",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
