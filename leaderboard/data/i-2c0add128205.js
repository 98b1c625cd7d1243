hb.put("i-2c0add128205",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
