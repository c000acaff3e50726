"""The digits plugin: one module an action.

scikit-learn, numpy and matplotlib are imported where an action executes, not at the top of its module,
so that its params can be listed and validated quickly, and on machines without them.
"""
