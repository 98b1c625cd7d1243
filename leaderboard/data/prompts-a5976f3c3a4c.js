hb.put("prompts-a5976f3c3a4c",["document","prompt"],[

]);
