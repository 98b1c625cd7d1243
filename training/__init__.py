"""How the models that ship were made: a frozen folder per recipe, and the pages they fill."""
