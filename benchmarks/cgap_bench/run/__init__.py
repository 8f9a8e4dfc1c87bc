"""How does a recipe become records?"""
