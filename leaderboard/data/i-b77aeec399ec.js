hb.put("i-b77aeec399ec",["document","change","unedited","edited","target","marks","edited_marks","picture"],[

]);
