hb.put("i-a31ff1c104cf",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
