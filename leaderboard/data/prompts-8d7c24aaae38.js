hb.put("prompts-8d7c24aaae38",["document","prompt"],[

]);
