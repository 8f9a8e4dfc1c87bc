// From banks to cells: rotate the window so that its first pixel reaches cell (0, 0), and put zeros where the
// window leaves the map (padding is never stored).
module pixel_router #(
    parameter int POX = 4,  // columns
    parameter int POY = 4,  // rows
    parameter int DW = 8    // bits of a pixel
) (
    input  logic                         clk,       // clock
    input  logic          [         7:0] row_bank,  // row bank of the window's first row
    input  logic          [         7:0] col_bank,  // column bank of the window's first column
    input  logic signed   [        17:0] y,         // map row of cell row 0
    input  logic signed   [        17:0] x,         // map column of cell column 0
    input  logic          [         2:0] s_h,       // map rows between cell rows
    input  logic          [         2:0] s_w,       // map columns between cell columns
    input  logic          [        15:0] in_h,      // map rows
    input  logic          [        15:0] in_w,      // map columns
    input  logic          [POY*POX*DW-1:0] banks,   // pixel of bank (i, j) at [(i*POX+j)*DW +: DW]
    output logic          [POY*POX*DW-1:0] pixels   // pixel of cell (i, j), same place, one cycle later
);
  logic [POY*POX*DW-1:0] turned, routed;
  logic [POY-1:0] row_in;
  logic [POX-1:0] col_in;
  logic [POY*18-1:0] row_at;  // map row of every cell row
  logic [POX*18-1:0] col_at;  // map column of every cell column

  rotator #(.N(POY), .W(POX * DW)) rows (.words(banks), .amount(row_bank), .rotated(turned));

  for (genvar j = 0; j < POX; j++) begin : g_column
    if (j == 0) assign col_at[17:0] = x;
    else assign col_at[j*18+:18] = col_at[(j-1)*18+:18] + 18'(s_w);
    assign col_in[j] = !col_at[j*18+17] && col_at[j*18+:18] < {2'b0, in_w};
  end

  for (genvar i = 0; i < POY; i++) begin : g_row
    logic [POX*DW-1:0] straight;
    if (i == 0) assign row_at[17:0] = y;
    else assign row_at[i*18+:18] = row_at[(i-1)*18+:18] + 18'(s_h);
    assign row_in[i] = !row_at[i*18+17] && row_at[i*18+:18] < {2'b0, in_h};
    rotator #(.N(POX), .W(DW)) columns (
        .words(turned[i*POX*DW+:POX*DW]), .amount(col_bank), .rotated(straight)
    );
    for (genvar j = 0; j < POX; j++) begin : g_cell
      assign routed[(i*POX+j)*DW+:DW] = row_in[i] && col_in[j] ? straight[j*DW+:DW] : DW'(0);
    end
  end

  always_ff @(posedge clk) pixels <= routed;
endmodule
