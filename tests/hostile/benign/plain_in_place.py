# {"allowed": ["passed"], "entry": "f", "test": "rows = [[3], [1, 2]]\nresult = f(rows)\nassert result is rows and rows == [[1, 2], [3, 9]]"}
def f(rows):
    rows[0].append(9)
    rows.sort()
    return rows
