"""How is a decision done? Plan, surgery, values of newborn units, state of the optimizer."""
