hb.put("i-2697a91a40a4",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
